"""The files by which a run and an export are known, to those who write them and to those who come upon them."""

RUN = CONFIG, TOKENIZER, CHECKPOINTS = "config.yaml", "tokenizer.json", "checkpoints"
EXPORT = ABOUT, MODEL_CONFIG, WEIGHTS = "export.json", "config.json", "model.safetensors"
