"""Models in and out: folders as ``transformers`` writes and reads them, exactly the same function on both sides.

``architecture`` says what a model of theirs is in our words, and ``gpt2`` and ``nanochat`` are the two there are;
``tokenizer_json`` does the same for tokenizers. ``folder`` reads and writes whole folders, ``hub`` finds them. Nothing
here imports ``transformers``: these are only names, shapes and files.
"""

from huggingface.folder import export, read

__all__ = ["export", "read"]
