"""How well captions agree with their references: figures of a whole corpus, in plain Python, equal to the COCO captions' evaluation."""
