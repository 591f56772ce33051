"""Text as numbers: vocabularies of words, characters and byte pairs, learned from the training texts and kept in one JSON file."""
