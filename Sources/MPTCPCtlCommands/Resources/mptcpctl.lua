-- mptcpctl: a Wireshark dissector for the experimental Multipath TCP options.
-- Written by `mptcpctl wireshark-plugin --install`, which replaces a file that begins like this one.
--
-- Wireshark shows TCP options of kind 30 itself, but of the private experiments (subtype 0xF) only
-- that they are there. This adds, behind everything else that is known of a packet:
--
--   CAPS, FJ-DATA, FJ-RESUME   subtype 0xF, experiment "FJ": data in the SYN of a joining subflow
--   RTO-REQUEST, RTO           the same: the exchange of retransmission timeouts
--   idle bit                   flag 0x20 of the DSS, which RFC 8684 reserves: nothing follows
--   Fast Join Out and In       subtypes 0xA and 0x9, the published MultiMob protocol; these numbers
--                              are not assigned, so it is a preference and off by default
--
-- Filters: mptcpctl.fj.op == 1, mptcpctl.fj.dsn, mptcpctl.caps.features.fj_data, mptcpctl.rto,
-- mptcpctl.idle == 1, mptcpctl.malformed

-- A second copy of this file has nothing to add.
local is_first, experiments = pcall(Proto, "mptcpctl", "Experimental Multipath TCP options")
if not is_first then return end

local KIND_MPTCP = 30
local SUBTYPE_DSS = 0x2
local SUBTYPE_FAST_JOIN_IN = 0x9
local SUBTYPE_FAST_JOIN_OUT = 0xA
local SUBTYPE_PRIVATE = 0xF
local EXID_FJ = 0x464A
local OP_DATA, OP_RESUME, OP_CAPS, OP_RTO_REQUEST, OP_RTO = 1, 2, 3, 4, 5
local DSS_MAPPING, DSS_IDLE = 0x04, 0x20
local MULTIMOB_LONG_ACK = 0x02

local operations = {
    [OP_DATA] = "FJ-DATA", [OP_RESUME] = "FJ-RESUME", [OP_CAPS] = "CAPS",
    [OP_RTO_REQUEST] = "RTO-REQUEST", [OP_RTO] = "RTO",
}
local operation_lengths = {
    [OP_DATA] = 18, [OP_RESUME] = 18, [OP_CAPS] = 8, [OP_RTO_REQUEST] = 6, [OP_RTO] = 10,
}
local multimob_names = {
    [SUBTYPE_FAST_JOIN_IN] = "Fast Join In", [SUBTYPE_FAST_JOIN_OUT] = "Fast Join Out",
}

local fields = {
    exid = ProtoField.uint16("mptcpctl.exid", "Experiment", base.HEX, { [EXID_FJ] = "FJ" }),
    op = ProtoField.uint8("mptcpctl.fj.op", "Operation", base.DEC, operations),
    flags = ProtoField.uint8("mptcpctl.fj.flags", "Flags", base.HEX, nil, 0x0F),
    data_fin = ProtoField.bool(
        "mptcpctl.fj.flags.data_fin", "The payload is followed by DATA_FIN", 8, nil, 0x01),
    dsn = ProtoField.uint32(
        "mptcpctl.fj.dsn", "Data sequence number of the first octet of payload (low half)"),
    data_ack = ProtoField.uint32("mptcpctl.fj.data_ack", "Data ACK (low half)"),
    mac = ProtoField.bytes("mptcpctl.fj.mac", "MAC (left 64 bits)"),
    features = ProtoField.uint8("mptcpctl.caps.features", "Features", base.HEX),
    fj_data = ProtoField.bool(
        "mptcpctl.caps.features.fj_data", "Accepts FJ-DATA", 8, nil, 0x01),
    fj_resume = ProtoField.bool(
        "mptcpctl.caps.features.fj_resume", "Accepts FJ-RESUME", 8, nil, 0x02),
    stateless = ProtoField.bool(
        "mptcpctl.caps.features.stateless_join", "Stateless join ACK", 8, nil, 0x04),
    early_data = ProtoField.bool(
        "mptcpctl.caps.features.early_data", "Accepts early data", 8, nil, 0x08),
    idle_signal = ProtoField.bool(
        "mptcpctl.caps.features.idle_signal", "Idle bit and exchange of timeouts", 8, nil, 0x10),
    rto = ProtoField.uint32("mptcpctl.rto", "Retransmission timeout (microseconds)"),
    idle = ProtoField.bool("mptcpctl.idle", "Idle: nothing follows this mapping", 8, nil, 0x20),
    received = ProtoField.bool(
        "mptcpctl.caps.features.received", "Has received the peer's CAPS", 8, nil, 0x80),
    max_payload = ProtoField.uint16(
        "mptcpctl.caps.max_payload", "Largest SYN payload accepted (octets)"),
    mm_subtype = ProtoField.uint8(
        "mptcpctl.multimob.subtype", "Subtype", base.HEX, multimob_names, 0xF0),
    mm_wide = ProtoField.bool(
        "mptcpctl.multimob.long_ack", "Data ACK of eight octets", 8, nil, 0x02),
    mm_backup = ProtoField.bool("mptcpctl.multimob.backup", "Backup", 8, nil, 0x01),
    mm_address = ProtoField.uint8("mptcpctl.multimob.address_id", "Address ID"),
    mm_token = ProtoField.uint32("mptcpctl.multimob.token", "Receiver's token", base.HEX),
    mm_dsn = ProtoField.uint32("mptcpctl.multimob.dsn", "Data sequence number (low half)"),
    mm_hmac = ProtoField.bytes("mptcpctl.multimob.hmac", "HMAC (truncated)"),
    mm_length = ProtoField.uint16("mptcpctl.multimob.length", "Data-level length"),
    mm_checksum = ProtoField.uint16("mptcpctl.multimob.checksum", "Checksum", base.HEX),
    mm_ack = ProtoField.uint32("mptcpctl.multimob.data_ack", "Data ACK (low half)"),
    mm_ack64 = ProtoField.uint64("mptcpctl.multimob.data_ack64", "Data ACK"),
    mm_random = ProtoField.uint32("mptcpctl.multimob.random", "Random number", base.HEX),
}
experiments.fields = fields

local malformed = ProtoExpert.new(
    "mptcpctl.malformed", "Malformed experimental option",
    expert.group.MALFORMED, expert.severity.ERROR)
local ignored = ProtoExpert.new(
    "mptcpctl.ignored", "The receiver will ignore this option",
    expert.group.PROTOCOL, expert.severity.WARN)
experiments.experts = { malformed, ignored }

experiments.prefs.multimob = Pref.bool(
    "Dissect MultiMob's Fast Join", false,
    "Subtypes 0x9 and 0xA, which are not assigned and may mean something else")

local tcp_options = Field.new("tcp.options")
local tcp_flags = Field.new("tcp.flags")
local tcp_length = Field.new("tcp.len")

local FLAG_SYN, FLAG_ACK = 0x02, 0x10
local function has(flags, flag) return math.floor(flags / flag) % 2 == 1 end

-- Options are a TvbRange each; `segment` has the flags and the payload's length of the TCP header,
-- or nil where they are not known: what an ICMP error quotes may be cut.
-- Each function adds what it finds to `tree` and returns a few words for the column, or nil.

local function add_caps(option, tree)
    local features = option(6, 1)
    local bits = tree:add(fields.features, features)
    for _, field in ipairs {
        fields.fj_data, fields.fj_resume, fields.stateless, fields.early_data,
        fields.idle_signal, fields.received,
    } do
        bits:add(field, features)
    end
    local max_payload = option(7, 1):uint() * 64
    tree:add(fields.max_payload, option(7, 1), max_payload)
    return string.format("CAPS features=0x%02x max=%d", features:uint(), max_payload)
end

local function add_fast_join(option, op, tree, segment)
    local flags = tree:add(fields.flags, option(2, 1))
    flags:add(fields.data_fin, option(2, 1))
    local is_data = op == OP_DATA
    tree:add(is_data and fields.dsn or fields.data_ack, option(6, 4))
    tree:add(fields.mac, option(10, 8))
    local complaint = nil
    local flags_known, length = segment.flags ~= nil, segment.length
    if flags_known and (not has(segment.flags, FLAG_SYN) or has(segment.flags, FLAG_ACK)) then
        complaint = "not on a SYN"
    elseif is_data and length == 0 then
        complaint = "FJ-DATA without payload"
    elseif not is_data and length and length > 0 then
        complaint = "FJ-RESUME with payload"
    end
    if complaint then
        tree:add_proto_expert_info(ignored, "The receiver will ignore this option: " .. complaint)
    end
    return string.format(
        "%s %s=%u", operations[op], is_data and "dsn" or "ack", option(6, 4):uint())
end

local function add_private(option, tree, segment)
    if option:len() < 6 then
        tree:add_proto_expert_info(malformed, "An experimental option without experiment ID")
        return "malformed experiment"
    end
    tree:add(fields.exid, option(4, 2))
    if option(4, 2):uint() ~= EXID_FJ then return nil end
    local op = option(3, 1):uint()
    tree:add(fields.op, option(3, 1))
    local name = operations[op]
    if not name then
        tree:add_proto_expert_info(malformed, "An unknown operation")
        return string.format("FJ operation %d", op)
    end
    tree:append_text(": " .. name)
    if option:len() ~= operation_lengths[op] then
        tree:add_proto_expert_info(
            malformed, string.format(
                "%s has %d octets and not %d", name, option:len(), operation_lengths[op]))
        return "malformed " .. name
    end
    if op == OP_CAPS then return add_caps(option, tree) end
    if op == OP_RTO_REQUEST then return name end
    if op == OP_RTO then
        tree:add(fields.rto, option(6, 4))
        return string.format("RTO %d us", option(6, 4):uint())
    end
    return add_fast_join(option, op, tree, segment)
end

local function add_multimob(option, subtype, tree, segment)
    local name = multimob_names[subtype]
    tree:append_text(": " .. name)
    if not segment.flags then return name end
    local is_out = subtype == SUBTYPE_FAST_JOIN_OUT
    local is_reply = has(segment.flags, FLAG_ACK)
    local is_wide = is_out and is_reply and has(option(2, 1):uint(), MULTIMOB_LONG_ACK)
    local length = is_reply and not is_wide and 16 or 20
    if option:len() ~= length then
        tree:add_proto_expert_info(
            malformed, string.format("%s has %d octets and not %d", name, option:len(), length))
        return "malformed " .. name
    end
    tree:add(fields.mm_subtype, option(2, 1))
    tree:add(fields.mm_backup, option(2, 1))
    tree:add(fields.mm_address, option(3, 1))
    if is_reply then
        tree:add(fields.mm_hmac, option(4, 8))
        if not is_out then
            tree:add(fields.mm_random, option(12, 4))
        else
            tree:add(fields.mm_wide, option(2, 1))
            tree:add(is_wide and fields.mm_ack64 or fields.mm_ack, option(12, is_wide and 8 or 4))
        end
        return name .. " reply"
    end
    tree:add(fields.mm_token, option(4, 4))
    if is_out then
        tree:add(fields.mm_dsn, option(8, 4))
        tree:add(fields.mm_hmac, option(12, 4))
        tree:add(fields.mm_length, option(16, 2))
        tree:add(fields.mm_checksum, option(18, 2))
    else
        tree:add(fields.mm_ack, option(8, 4))
        tree:add(fields.mm_hmac, option(12, 8))
    end
    return name
end

-- RFC 8684 has the flag reserved, and so Wireshark shows nothing of it.
local function add_idle_bit(option, root)
    if option:len() < 4 then return nil end
    local flags = option(3, 1):uint()
    if not (has(flags, DSS_MAPPING) and has(flags, DSS_IDLE)) then return nil end
    local tree = root:add(experiments, option(3, 1))
    tree:append_text(": idle bit")
    tree:add(fields.idle, option(3, 1))
    return "idle"
end

local function add_option(option, root, segment)
    local subtype = math.floor(option(2, 1):uint() / 16)
    if subtype == SUBTYPE_DSS then return add_idle_bit(option, root) end
    local is_multimob = multimob_names[subtype] ~= nil and experiments.prefs.multimob
    if subtype ~= SUBTYPE_PRIVATE and not is_multimob then return nil end
    local tree = root:add(experiments, option)
    if is_multimob then return add_multimob(option, subtype, tree, segment) end
    return add_private(option, tree, segment)
end

-- The options of one TCP header. What is not whole is for Wireshark's own dissector to say.
local function add_options(options, root, segment, words)
    local offset = 0
    while offset < options:len() do
        local kind = options(offset, 1):uint()
        if kind == 0 then return end
        if kind == 1 then
            offset = offset + 1
        else
            if offset + 2 > options:len() then return end
            local length = options(offset + 1, 1):uint()
            if length < 2 or offset + length > options:len() then return end
            if kind == KIND_MPTCP and length >= 3 then
                words[#words + 1] = add_option(options(offset, length), root, segment)
            end
            offset = offset + length
        end
    end
end

-- The values of a field, of each of `count` TCP headers; none where it is not said of which it is.
local function values(found, count)
    local result = {}
    for index, info in ipairs(found) do
        if #found == count then result[index] = info.value end
    end
    return result
end

function experiments.dissector(_, pinfo, root)
    -- A tunnel has more TCP headers than one.
    local headers = { tcp_options() }
    local flags, lengths = values({ tcp_flags() }, #headers), values({ tcp_length() }, #headers)
    local words = {}
    for index, options in ipairs(headers) do
        local segment = { flags = flags[index], length = lengths[index] }
        add_options(options.range, root, segment, words)
    end
    if #words > 0 then pinfo.cols.info:append(" [" .. table.concat(words, ", ") .. "]") end
end

register_postdissector(experiments)
