"""What else is known of the cells: covariates, offsets, donors, conditions, labels, annotations."""
