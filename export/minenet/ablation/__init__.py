"""The paper's tables, trained with our training."""
