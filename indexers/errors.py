"""What can go wrong in an index. Every class is an `IndexerError`, so a caller can catch them together."""


class IndexerError(Exception):
    """Base of the errors raised by `indexers`."""


class FaissMissingError(IndexerError, ImportError):
    """No Faiss build is installed."""


class UnknownSpecError(IndexerError, ValueError):
    """Faiss knows no index of this name, or cannot make it for vectors of this length."""


class DimensionError(IndexerError, ValueError):
    """An array does not have the dimension of the index."""


class DamagedIndexError(IndexerError):
    """A stored index is missing, truncated, or does not match its manifest."""
