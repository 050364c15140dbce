"""What every package may use: errors for people, files that are whole or not there, text that is safe to show."""
