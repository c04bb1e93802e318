"""Accuracy on two real tasks of published projects."""
