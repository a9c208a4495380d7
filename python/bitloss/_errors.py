"""What goes wrong, as exceptions: the text is the one line that the program would print."""


class Error(Exception):
    """Of any kind below."""


class BadInput(Error, ValueError):
    """A file, text, option or array that does not say what it should."""


class NotFound(Error, FileNotFoundError):
    """Something named that is not there."""


class Unsupported(Error, NotImplementedError):
    """Well-formed, but not a thing that bitloss does."""


class IoError(Error, OSError):
    """The system refused: disk full, no permission, a device failed."""


# By the program's exit code; 1 and 2 are answers of `bitloss gate`, not errors.
BY_EXIT_CODE: dict[int, type[Error]] = {3: BadInput, 4: NotFound, 5: Unsupported, 6: IoError}
