"""From a run to a bundle: SavedModel, quantized LiteRT files and their proofs."""
