"""How a model comes into being: labels from what campaigns met, training, judging, whether it may be used."""
