"""One sequenced stream between two services, with snapshot and replay: over ZeroMQ and in memory.

Every message has a place (`epoch`, `seq` from 1, gapless). New messages go out live, lossy where a subscriber is slow;
a subscriber begins with the present state (the newest message of each slot), notices a gap or a lost tail by `seq` and
by the heartbeat, and has what it missed replayed. See docs/reference/contract.md for the bytes.
"""

from contract.codec import ContractError as ContractError
from contract.security import Keys as Keys
from contract.security import SecurityError as SecurityError
from contract.security import load_keys as load_keys
from contract.stream_memory import MemoryStream as MemoryStream
from contract.stream_slots import default_slot as default_slot
from contract.stream_slots import scan_prefix as scan_prefix
from contract.stream_types import Addresses as Addresses
from contract.stream_types import Answer as Answer
from contract.stream_types import Link as Link
from contract.stream_types import Publisher as Publisher
from contract.stream_types import Received as Received
from contract.stream_types import Said as Said
from contract.stream_types import Subscriber as Subscriber
from contract.stream_zmq_publisher import open_publisher as open_publisher
from contract.stream_zmq_subscriber import ask as ask
from contract.stream_zmq_subscriber import open_subscriber as open_subscriber
