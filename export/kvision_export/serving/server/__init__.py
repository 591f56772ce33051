"""A server for development that speaks TF Serving's REST and gRPC: start one with `kvision_export.serving.server.app.Server`.

Behaviours, messages and codes are those of tensorflow/serving at 2.19; the docstrings name the source file that each module follows.
"""
