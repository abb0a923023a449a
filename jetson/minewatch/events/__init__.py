"""Events: typed, on disk before anybody hears of them."""
