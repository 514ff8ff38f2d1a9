"""Sahara's calls to its instances, carried by the Sahara agent's controller.

The way of a call, and the file that has each step::

    driver.py          what Sahara loads: one object for the whole engine
    remote.py          what Sahara calls: one object for one instance
    command.py         one command: post it, wait, fetch its output
    directory.py       which of the controller's instances it is for
    fair_slots.py      how many at once, and whose turn it is
    controller_api.py  the controller's routes
    connections.py     connections that are kept, safe after a fork
"""
