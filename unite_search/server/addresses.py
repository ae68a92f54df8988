"""Which addresses of the internet are public, however a private one may be dressed up.

IPv6 has many ways to say an IPv4 address, and a gateway on the way may take the packet to that one. So an IPv6 address
is public only if it is global unicast and every IPv4 address in it is public as well.

Source: the IANA registries of special-purpose addresses for IPv4 and IPv6; RFC 6890, RFC 6052 (NAT64), RFC 8215
(64:ff9b:1::/48), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP), RFC 4291 (mapped and compatible addresses).
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_NOT_PUBLIC_V4 = tuple(
    map(IPv4Network, ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"))
)
_NOT_PUBLIC_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
"""Protocol assignments with Teredo (which older Pythons hold for global in part), documentation, 6to4."""
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The upper half of an interface identifier whose lower half is an IPv4 address."""
_LOW_32 = 0xFFFFFFFF


def is_public(address: Address) -> bool:
    """Return whether an address, and any address that it contains, belongs to the public internet."""
    if isinstance(address, IPv4Address):
        is_special = any(address in network for network in _NOT_PUBLIC_V4)
        return address.is_global and not address.is_multicast and not is_special
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    last = IPv4Address(int(address) & _LOW_32)
    if address in _NAT64:
        return is_public(last)
    if address not in _GLOBAL_UNICAST or not address.is_global or any(address in it for it in _NOT_PUBLIC_V6):
        return False
    return (int(address) >> 32 & _LOW_32) not in _ISATAP or is_public(last)


def parsed(text: str) -> Address:
    """Return the address that the name service answered with, without the zone of a link-local one."""
    return ipaddress.ip_address(text.partition("%")[0])
