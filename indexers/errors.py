"""What can go wrong in an index. Every class is an `IndexerError`, so that a caller can catch them all at once."""


class IndexerError(Exception):
    """Base class of the errors that `indexers` raises."""


class FaissMissingError(IndexerError, ImportError):
    """No Faiss build is installed."""


class UnknownSpecError(IndexerError, ValueError):
    """Faiss knows no index of this name, or cannot build it for vectors of this dimension."""


class DimensionError(IndexerError, ValueError):
    """An array does not have the dimension of the index."""


class DamagedIndexError(IndexerError):
    """A stored index is missing, truncated, or does not match its manifest."""
