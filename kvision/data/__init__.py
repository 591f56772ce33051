"""Sources, pipeline and augmentation."""
