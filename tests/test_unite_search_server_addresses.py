"""Addresses that lead inside, in every form in which IPv6 can say them, beside public ones of the same form."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.server.addresses import is_public, parsed

PRIVATE_V4 = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.255.255.254"),
    *("169.254.169.254", "172.16.0.1", "172.31.255.254", "192.0.0.1", "192.0.0.9", "192.0.2.1", "192.88.99.1"),
    *("192.168.0.1", "198.18.0.1", "198.19.255.254", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1"),
    *("240.0.0.1", "255.255.255.255"),
]
PUBLIC_V4 = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.1.1"]
PRIVATE_V6 = [
    *("::", "::1", "::2", "fe80::1", "febf::1", "fec0::1", "feff::1", "fc00::1", "fd12:3456::1", "ff02::1", "ff0e::1"),
    *("100::1", "2001:db8::1", "3fff::1", "2001::1", "2001:1::1", "2001:2::1", "2001:10::1", "2001:20::1", "5f00::1"),
    *("64:ff9b:1::1", "64:ff9b:1:ffff::0808:0808", "4000::1", "1::1"),
]
PUBLIC_V6 = ["2606:2800:21f:cb07::1", "2a00:1450:4001:80b::200e", "2620:fe::fe", "2400:cb00:2048:1::6814:155"]
ALWAYS_INSIDE = {
    "compatible": "::{quad}",
    "local NAT64": "64:ff9b:1::{quad}",
    "6to4": "2002:{high}:{low}::1",
    "Teredo server": "2001:0:{high}:{low}::f7f7:f7f7",
    "Teredo client": "2001:0:808:808:0:0:{not_high}:{not_low}",
    "site-local": "fec0::{quad}",
}
LIKE_THE_INNER_ONE = {
    "mapped": "::ffff:{quad}",
    "NAT64": "64:ff9b::{quad}",
    "ISATAP": "2606:2800:21f:cb07:0:5efe:{high}:{low}",
    "ISATAP, universal": "2606:2800:21f:cb07:200:5efe:{high}:{low}",
}


def dressed(form: str, quad: str) -> ipaddress.IPv6Address:
    """An IPv4 address within an IPv6 address of a form."""
    number = int(ipaddress.IPv4Address(quad))
    parts = {"high": f"{number >> 16:x}", "low": f"{number & 0xFFFF:x}"}
    parts |= {"not_high": f"{number >> 16 ^ 0xFFFF:x}", "not_low": f"{number & 0xFFFF ^ 0xFFFF:x}"}
    return ipaddress.IPv6Address(form.format(quad=quad, **parts))


@pytest.mark.parametrize("text", PRIVATE_V4 + PRIVATE_V6)
def test_what_is_inside_is_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC_V4 + PUBLIC_V6)
def test_what_is_outside_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("form", ALWAYS_INSIDE)
@pytest.mark.parametrize("quad", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "8.8.8.8"])
def test_forms_that_no_public_host_has_are_refused_whatever_they_say(form: str, quad: str) -> None:
    assert not is_public(dressed(ALWAYS_INSIDE[form], quad))


@pytest.mark.parametrize("form", LIKE_THE_INNER_ONE)
def test_forms_that_public_hosts_have_are_judged_by_what_they_say(form: str) -> None:
    assert not any(is_public(dressed(LIKE_THE_INNER_ONE[form], quad)) for quad in PRIVATE_V4)
    assert all(is_public(dressed(LIKE_THE_INNER_ONE[form], quad)) for quad in PUBLIC_V4)


@given(st.ip_addresses())
def test_nothing_is_public_that_the_registry_calls_special(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_loopback:
        is_gateway = address.version == 6 and address in ipaddress.ip_network("64:ff9b::/96")
        assert is_gateway or getattr(address, "ipv4_mapped", None) or not is_public(address)


def test_the_zone_of_an_address_does_not_matter() -> None:
    assert not is_public(parsed("fe80::1%eth0"))


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f.1", "017700000001", "127.1", "0"])
def test_odd_spellings_are_what_the_system_takes_them_for(spelling: str) -> None:
    try:
        found = socket.getaddrinfo(spelling, 80, type=socket.SOCK_STREAM)
    except OSError:
        return
    assert not any(is_public(parsed(str(entry[4][0]))) for entry in found)
