internal import CPcap

/// The library behind captures.
package enum CaptureLibrary {
    /// `libpcap version 1.10.3 (with TPACKET_V3)`.
    package static var version: String { String(cString: pcap_lib_version()) }
}
