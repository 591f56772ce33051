"""Where examples come from: the file's name is the recipe's `data.source`."""
