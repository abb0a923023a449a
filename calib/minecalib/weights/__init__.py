"""What is done to weights before they are rounded, and to biases after."""
