"""The sanity tests that a network should pass before it is trained for long, one a file; `suite` runs them all."""
