"""What articles about attention claim, beside what trained models show: ``python -m experiments.articles CLAIM``."""
