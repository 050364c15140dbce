"""Annotated cases: type, file format, what a tokenizer makes of them, converters, mined from text, minimal pairs."""
