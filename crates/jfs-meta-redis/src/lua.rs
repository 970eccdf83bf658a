//! Looking a name up in one round trip: a read-only script that follows the entry to its attributes.

/// Returns entry and attribute bytes. A Lua number holds 53 bits: smaller inode numbers (all that are
/// handed out in practice) are put together directly, larger ones byte by byte in limbs of seven decimal
/// digits.
pub(crate) const LOOKUP: &str = r#"
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry or string.len(entry) ~= 9 then return {entry, false} end
local _, a, b, c, d, e, f, g, h = string.byte(entry, 1, 9)
if a == 0 and b < 32 then
  local ino = (((((b * 256 + c) * 256 + d) * 256 + e) * 256 + f) * 256 + g) * 256 + h
  return {entry, redis.call('GET', string.format('i%.0f', ino))}
end
local low, middle, high = 0, 0, 0
for i = 2, 9 do
  low = low * 256 + string.byte(entry, i)
  local carry = math.floor(low / 10000000)
  low = low - carry * 10000000
  middle = middle * 256 + carry
  carry = math.floor(middle / 10000000)
  middle = middle - carry * 10000000
  high = high * 256 + carry
end
local ino
if high > 0 then ino = string.format('%.0f%07.0f%07.0f', high, middle, low)
elseif middle > 0 then ino = string.format('%.0f%07.0f', middle, low)
else ino = string.format('%.0f', low) end
return {entry, redis.call('GET', 'i' .. ino)}
"#;
