"""The one error that users cause and users can mend."""


class InputError(ValueError):
    """Something given from outside is wrong: a file, a folder, a setting. Its message is one line that names the
    offending value and the remedy; the scripts print it without a traceback and exit with status 1."""
