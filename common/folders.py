"""The files by which a run and an export are known, to those who write them and to those who come upon them; and what
the name of another model begins with, where ``init_from`` names no run.
"""

RUN = CONFIG, TOKENIZER, CHECKPOINTS = "config.yaml", "tokenizer.json", "checkpoints"
EXPORT = ABOUT, MODEL_CONFIG, WEIGHTS = "export.json", "config.json", "model.safetensors"
SCHEMES = HF_SCHEME, NANOGPT_SCHEME = "hf:", "nanogpt:"
