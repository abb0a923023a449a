"""What should be known of labelled pictures before a network is trained on them."""
