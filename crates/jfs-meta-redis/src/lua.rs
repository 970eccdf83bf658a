//! Looking a name up in one round trip: a read-only script that follows the entry to its attributes.

/// Returns entry and attribute bytes. The inode number is put together from the entry's eight bytes
/// in two decimal halves: a Lua number alone holds only 53 bits.
pub(crate) const LOOKUP: &str = r#"
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry or string.len(entry) ~= 9 then return {entry, false} end
local high, low = 0, 0
for i = 2, 5 do high = high * 256 + string.byte(entry, i) end
for i = 6, 9 do low = low * 256 + string.byte(entry, i) end
local base = 1000000000
-- high * 2^32 + low, in base 10^9: 2^32 = 4 * 10^9 + 294967296
local a = high * 294967296 + low
local b = high * 4 + math.floor(a / base)
a = a % base
local c = math.floor(b / base)
b = b % base
local ino
if c > 0 then ino = string.format('%.0f%09.0f%09.0f', c, b, a)
elseif b > 0 then ino = string.format('%.0f%09.0f', b, a)
else ino = string.format('%.0f', a) end
return {entry, redis.call('GET', 'i' .. ino)}
"#;
