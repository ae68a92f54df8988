"""Vector indexes: arrays and partition names in, ids and scores out. Knows nothing of media or encoders."""
