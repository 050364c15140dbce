"""Checkpoints of nanoGPT in: its weights, the same function here, and its tokens.

``checkpoint`` reads a file that its training writes; the characters that its models of characters know are read by
``data.text.characters``.
"""

from nanogpt.checkpoint import read

__all__ = ["read"]
