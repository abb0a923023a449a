"""What runs on the box: verify a bundle, install it as a release beside the others, link it, go back, take all away.

It runs under the system's bare Python before anything of ours is installed, so it needs the standard library alone.
"""
