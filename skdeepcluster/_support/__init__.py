"""What knows no model: threads, checks of what users pass, scikit-learn's callbacks."""
