"""Hyper-parameter search over a recipe: spaces, methods, the study that remembers, and the processes that train. No TensorFlow here.

`space` says what is searched, `propose` draws from it, `study` keeps the trials (Optuna), `training` is one child process, `worker` runs them all,
`outcome` says what came of it, and `rewrite` puts the best values back into the recipe's YAML.
"""
