"""The proof of an exported file: the validation set run on the file itself, its gates, its speed, and where its error comes from."""
