"""Cameras that speak ONVIF: found on the network when somebody asks for it, and asked for their streams.

Own code, some two hundred lines: WSDiscovery (LGPL, no wheel) listens on every address and announces itself, and
onvif-zeep-async brings a SOAP stack of 30 MB. Here nothing listens, and nothing is sent unless a function is called.
"""
