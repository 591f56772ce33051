"""What every part stands on: recipes, errors, paths. No TensorFlow here."""
