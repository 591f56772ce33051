"""The SavedModel for TF Serving: encoded pictures in, answers out, every weight once; published so that a server never sees half of it."""
