"""Annotated cases: their type, their file format, what a tokenizer makes of them, converters, cases mined from text, minimal pairs."""
