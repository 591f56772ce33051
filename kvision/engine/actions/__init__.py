"""What happens beside the loop: progress, checkpoints, early stops."""
