"""Starting the workers of a training: as processes here, or by a job file elsewhere. No TensorFlow here."""
