"""Drawing of the embedded scenes: objects, ground, composition and captions."""
