"""A Bolt server for the tests, in a process of its own: `python bolt_peer.py FOLDER PORT PASSWORD DATABASE`.

ArcadeDB answers Bolt as Neo4j does, and comes as a wheel. Prints "ready" once it listens, and serves until killed.
"""

import sys
import time

import arcadedb_embedded

folder, port, password, database = sys.argv[1:]
server = arcadedb_embedded.create_server(
    folder,
    password,
    config={
        "server_plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
        "bolt_port": int(port),
        "bolt_host": "127.0.0.1",
        "http_port": "2480-2580",
        "host": "127.0.0.1",
    },
)
server.start()
server.create_database(database)
sys.stdout.write("\nready\n")
sys.stdout.flush()
while True:
    time.sleep(60)
