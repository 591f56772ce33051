"""The rooms: one folder a family, one file a system."""
