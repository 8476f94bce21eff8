/// The files of `testbeds/` as they were when the program was built, so that it finds them wherever
/// it runs. A test keeps the two equal.
package enum BuiltInTestbeds {
    /// The content by name, sorted.
    package static let texts: [(name: String, text: String)] = [
        ("multimob", multimob),
        ("satellite", satellite),
        ("sigcomm20", sigcomm20),
        ("wifi-lte", wifiLTE),
        ("wifi-lte-v6", wifiLTEv6),
        ("wifi-v6-lte-v4", wifiV6LTEv4),
    ]

    /// The content of one.
    package static func text(named name: String) -> String? {
        texts.first { $0.name == name }?.text
    }

    private static let multimob = """
        # The emulated paths of the MultiMob experiments: primary and backup, queues of one
        # bandwidth-delay product.
        name: multimob
        description: two paths of 10 Mbit/s, RTT 15 ms and 25 ms, queue = BDP

        paths:
          - name: wifi
            client: 10.0.1.2/24
            router: 10.0.1.1
            rate: 10 Mbit/s
            rtt: 15 ms
            queue: 1 BDP

          - name: lte
            client: 10.0.2.2/24
            router: 10.0.2.1
            rate: 10 Mbit/s
            rtt: 25 ms
            queue: 1 BDP

        server:
          address: 10.0.9.1/24
          router: 10.0.9.254

        """

    private static let satellite = """
        # Four low-rate satellite channels bonded by Multipath TCP: 2.4 kbit/s each, 0.9 s one way. A packet
        # of 500 octets takes 1.7 s to leave; the MTU keeps that in bounds.
        name: satellite
        description: four satellite channels of 2.4 kbit/s, RTT 1.8 s

        paths:
          - name: channel-a
            interface: sat0
            client: 10.0.1.2/24
            router: 10.0.1.1
            mtu: 576
            rate: 2.4 kbit/s
            rtt: 1.8 s
            queue: 8 packets

          - name: channel-b
            interface: sat1
            client: 10.0.2.2/24
            router: 10.0.2.1
            mtu: 576
            rate: 2.4 kbit/s
            rtt: 1.8 s
            queue: 8 packets

          - name: channel-c
            interface: sat2
            client: 10.0.3.2/24
            router: 10.0.3.1
            mtu: 576
            rate: 2.4 kbit/s
            rtt: 1.8 s
            queue: 8 packets

          - name: channel-d
            interface: sat3
            client: 10.0.4.2/24
            router: 10.0.4.1
            mtu: 576
            rate: 2.4 kbit/s
            rtt: 1.8 s
            queue: 8 packets

        server:
          address: 10.0.9.1/24
          router: 10.0.9.254

        """

    private static let sigcomm20 = """
        # Two like paths at 100 Mbit/s, as in measurements of multipath transport at SIGCOMM 2020.
        name: sigcomm20
        description: two paths of 100 Mbit/s, RTT 40 ms and 30 ms

        paths:
          - name: wifi
            client: 10.0.1.2/24
            router: 10.0.1.1
            rate: 100 Mbit/s
            rtt: 40 ms
            queue: 40 ms

          - name: lte
            client: 10.0.2.2/24
            router: 10.0.2.1
            rate: 100 Mbit/s
            rtt: 30 ms
            queue: 40 ms

        server:
          address: 10.0.9.1/24
          router: 10.0.9.254

        """

    private static let wifiLTE = """
        # The default: a WiFi access point and an LTE cell, as a phone sees them.
        name: wifi-lte
        description: WiFi 50 Mbit/s, RTT 20 ms; LTE 20 Mbit/s, RTT 60 ms

        paths:
          - name: wifi
            client: 10.0.1.2/24
            router: 10.0.1.1
            rate: 50 Mbit/s
            rtt: 20 ms
            queue: 40 ms        # 250 kB

          - name: lte
            client: 10.0.2.2/24
            router: 10.0.2.1
            rate: 20 Mbit/s
            rtt: 60 ms
            queue: 100 ms       # 250 kB

        server:
          address: 10.0.9.1/24
          router: 10.0.9.254

        """

    private static let wifiLTEv6 = """
        # The default with IPv6 everywhere, and nothing else.
        name: wifi-lte-v6
        description: IPv6 only; WiFi 50 Mbit/s, RTT 20 ms; LTE 20 Mbit/s, RTT 60 ms

        paths:
          - name: wifi
            client: 2001:db8:1::2/64
            router: 2001:db8:1::1
            rate: 50 Mbit/s
            rtt: 20 ms
            queue: 40 ms        # 250 kB

          - name: lte
            client: 2001:db8:2::2/64
            router: 2001:db8:2::1
            rate: 20 Mbit/s
            rtt: 60 ms
            queue: 100 ms       # 250 kB

        server:
          address: 2001:db8:9::1/64
          router: 2001:db8:9::fe

        """

    private static let wifiV6LTEv4 = """
        # A WiFi with IPv6 only and an LTE cell with IPv4 only: the server has both, and a client that comes
        # over WiFi learns the IPv4 address by ADD_ADDR.
        name: wifi-v6-lte-v4
        description: IPv6-only WiFi 50 Mbit/s, RTT 20 ms; IPv4-only LTE 20 Mbit/s, RTT 60 ms

        paths:
          - name: wifi
            client: 2001:db8:1::2/64
            router: 2001:db8:1::1
            rate: 50 Mbit/s
            rtt: 20 ms
            queue: 40 ms        # 250 kB

          - name: lte
            client: 10.0.2.2/24
            router: 10.0.2.1
            rate: 20 Mbit/s
            rtt: 60 ms
            queue: 100 ms       # 250 kB

        server:
          address: 2001:db8:9::1/64
          router: 2001:db8:9::fe
          second-address: 10.0.9.1/24
          second-router: 10.0.9.254

        """
}
