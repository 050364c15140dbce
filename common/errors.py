"""The errors that users cause and users can fix."""


class InputError(ValueError):
    """Something given from outside is wrong: a file, a folder, a setting. Its message is one line that names the
    offending value and the remedy; the scripts print it without a traceback and exit with status 1."""


class NothingFoundError(InputError):
    """``key``, a path, names no file."""

    def __init__(self, key: str, path: str, what: str) -> None:
        super().__init__(f"{key}={path}: {what}")
        self.key = key
