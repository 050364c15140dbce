"""Files of runs that earlier versions wrote, by today's names: such a run can be resumed, sampled and probed."""

from functools import cache

SETTINGS = {  # in config.yaml and on command lines
    "tokens_at_once": "micro_batch",
    "data.families": "data.tasks",
    "families": "tasks",
    "film": "dynamics",
}
COLUMNS = {  # the first and the last part of a name in metrics.jsonl
    "frames": "templates",
    "names": "new_role",
    "worth": "chance_loss",
    "swap_drop": "weight_swap_drop",
    "resample_drop": "resample_ablation_drop",
}


def as_of_today(config: dict) -> dict:
    """A run's config.yaml by the names of today, with what earlier versions left unsaid."""
    config = renamed_settings(config)
    data = config.get("data")
    if isinstance(data, dict) and data.get("name") == "files":
        config["data"] = {"separator": None} | data  # a text file was one document
    return config


def renamed_settings(settings: dict, group: str = "") -> dict:
    """Settings, nested, by the names that they have now."""
    renamed = {}
    for key, value in settings.items():
        path = f"{group}{key}"
        name = SETTINGS[path].removeprefix(group) if path in SETTINGS else key
        renamed[name] = renamed_settings(value, f"{path}.") if isinstance(value, dict) else value
    return renamed


@cache
def renamed_column(name: str) -> str:
    """A column of metrics.jsonl, such as report/TASK/worth, by the name that it has now."""
    parts = name.split("/")
    if len(parts) > 1 and not parts[0].startswith("val_"):  # whose last part is a name of the user's own
        parts[0], parts[-1] = (COLUMNS.get(part, part) for part in (parts[0], parts[-1]))
    return "/".join(parts)
