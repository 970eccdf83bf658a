"""vendors.py DIRECTORY SCHEME:ADDRESS:PORT...: the object stores of Tencent (COS) and Alibaba (OSS), in memory.

DIRECTORY holds `server.pem` (certificate and key, for https) and `keys` (one "ID SECRET [TOKEN]" a line). The server checks the
signature of each request by the vendor's published algorithm, keeps the objects of each host name apart, and writes one
JSON line per request to DIRECTORY/requests. Buckets exist, but for those whose name begins with "missing". A line
"METHOD STATUS CODE" in DIRECTORY/faults makes the next such request fail. `vendors.py` alone checks the checker
against the vendors' published examples.
"""
import base64, fcntl, hashlib, hmac, http.server, json, lzma, os, re, socket, socketserver, ssl, struct, sys, threading
import urllib.parse
from email.utils import formatdate

quote = lambda text: urllib.parse.quote(text, safe='-_.~')
sha1 = lambda key, text: hmac.new(key.encode(), text.encode(), hashlib.sha1)
sha256 = lambda key, text: hmac.new(key, text.encode(), hashlib.sha256)


def cos_signature(method, path, query, headers, secret, key_time, header_list, param_list):
    """https://cloud.tencent.com/document/product/436/7778. Names of headers are in lower case, values are decoded."""
    query = {quote(k.lower()): quote(v) for k, v in query}
    named = lambda names, values: '&'.join('%s=%s' % (n, values[n]) for n in names.split(';') if n)
    headers = {k: quote(v) for k, v in headers.items()}
    request = '%s\n%s\n%s\n%s\n' % (method.lower(), path, named(param_list, query), named(header_list, headers))
    to_sign = 'sha1\n%s\n%s\n' % (key_time, hashlib.sha1(request.encode()).hexdigest())
    return sha1(sha1(secret, key_time).hexdigest(), to_sign).hexdigest()


# What of a query is part of the signature, version 1.
OSS_SUB_RESOURCES = {'acl', 'append', 'continuation-token', 'delete', 'location', 'partNumber', 'position', 'restore',
                     'security-token', 'uploadId', 'uploads', 'versionId', 'versioning', 'versions'}


def oss_signature_1(method, bucket, path, query, headers, secret):
    """https://help.aliyun.com/zh/oss/developer-reference/include-signatures-in-the-authorization-header"""
    own = ''.join('%s:%s\n' % (k, headers[k]) for k in sorted(headers) if k.startswith('x-oss-'))
    sub = '&'.join(k + ('=' + v if v else '') for k, v in sorted(query) if k in OSS_SUB_RESOURCES)
    resource = '/' + bucket + path + ('?' + sub if sub else '')
    lines = [method, headers.get('content-md5', ''), headers.get('content-type', ''), headers.get('date', ''), own + resource]
    return base64.b64encode(sha1(secret, '\n'.join(lines)).digest()).decode()


def oss_signature_4(method, bucket, path, query, headers, secret, scope, additional=''):
    """https://help.aliyun.com/zh/oss/developer-reference/recommend-to-use-signature-version-4"""
    day, region, service, end = scope.split('/')
    more = additional.split(';') if additional else []
    signed = [k for k in sorted(headers) if k.startswith('x-oss-') or k in ('content-type', 'content-md5') or k in more]
    own = ''.join('%s:%s\n' % (k, headers[k].strip()) for k in signed)
    pairs = sorted((quote(k), quote(v)) for k, v in query)
    pairs = '&'.join(k + ('=' + v if v else '') for k, v in pairs)
    uri = urllib.parse.quote('/' + bucket + path, safe='-_.~/')
    request = '\n'.join([method, uri, pairs, own, additional, headers['x-oss-content-sha256']])
    to_sign = '\n'.join(['OSS4-HMAC-SHA256', headers['x-oss-date'], scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ('aliyun_v4' + secret).encode()
    for part in (day, region, service, end):
        key = sha256(key, part).digest()
    return sha256(key, to_sign).hexdigest()


def published_examples():
    assert crc64(b'123456789') == 0x995dc9bbdf1939fa
    headers = {'date': 'Thu, 16 May 2019 06:45:51 GMT', 'host': 'examplebucket-1250000000.cos.ap-beijing.myqcloud.com',
               'content-type': 'text/plain', 'content-length': '13', 'content-md5': 'mQ/fVh815F3k6TAUm8m0eg==',
               'x-cos-acl': 'private', 'x-cos-grant-read': 'uin="100000000011"'}
    found = cos_signature('PUT', '/exampleobject(腾讯云)', [], headers, 'BQYIM75p8x0iWVFSIgqEKwFprpRSVHlz',
                          '1557989151;1557996351', ';'.join(sorted(headers)), '')
    assert found == '3b8851a11a569213c17ba8fa7dcf2abec6935172', found
    headers = {'content-md5': 'ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=', 'content-type': 'text/html',
               'date': 'Thu, 17 Nov 2005 18:49:58 GMT', 'x-oss-magic': 'abracadabra', 'x-oss-meta-author': 'foo@bar.com'}
    found = oss_signature_1('PUT', 'oss-example', '/nelson', [], headers, 'OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV')
    assert found == '26NBxoKdsyly4EDv6inkoDft/yA=', found
    headers = {'x-oss-head1': 'value', 'abc': 'value', 'zabc': 'value', 'xyz': 'value', 'content-type': 'text/plain',
               'x-oss-content-sha256': 'UNSIGNED-PAYLOAD', 'x-oss-date': '20231216T162057Z'}
    query = [('param1', 'value1'), ('+param1', 'value3'), ('|param1', 'value4'), ('+param2', ''), ('|param2', ''), ('param2', '')]
    found = oss_signature_4('PUT', 'bucket', '/1234+-/123/1.txt', query, headers, 'sk', '20231216/cn-hangzhou/oss/aliyun_v4_request')
    assert found == 'e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe', found


def crc64(data):
    """CRC-64 of ECMA-182, which the vendors answer to a put: an xz file has it at the end of its only block."""
    if not data: return 0
    fast = [{'id': lzma.FILTER_LZMA2, 'preset': 0, 'mode': lzma.MODE_FAST, 'dict_size': 4096, 'nice_len': 4, 'mf': lzma.MF_HC3}]
    packed = lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=fast)
    index = (int.from_bytes(packed[-8:-4], 'little') + 1) * 4
    return int.from_bytes(packed[-20 - index:-12 - index], 'little')


class Store:
    """What all requests share."""
    def __init__(self, directory):
        self.directory, self.objects, self.lock = directory, {}, threading.Lock()
        with open(os.path.join(directory, 'keys')) as f:
            self.keys = {line.split()[0]: line.split()[1:] for line in f if line.strip()}
        self.log = open(os.path.join(directory, 'requests'), 'a', buffering=1)

    def fault(self, method):
        """The next planned failure of a method; it is struck from the list."""
        path = os.path.join(self.directory, 'faults')
        with self.lock:
            lines = open(path).read().splitlines() if os.path.exists(path) else []
            for at, line in enumerate(lines):
                if line.split()[0] == method:
                    with open(path, 'w') as f:
                        f.write(''.join(other + '\n' for other in lines[:at] + lines[at + 1:]))
                    return int(line.split()[1]), line.split()[2]
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_): pass

    def refusal(self, headers):
        """Why a request is not allowed: the code of the vendor's error, or None."""
        store, value = self.server.store, headers.get('authorization', '')
        token = lambda names: next((headers[n] for n in names if n in headers), None)
        if value.startswith('q-sign-algorithm=sha1&'):
            self.scheme, field = 'cos', dict(part.partition('=')[::2] for part in value.split('&'))
            if field['q-ak'] not in store.keys: return 'InvalidAccessKeyId'
            secret, *session = store.keys[field['q-ak']]
            found = cos_signature(self.command, self.key, self.query, headers, secret, field['q-key-time'],
                                  field['q-header-list'], field['q-url-param-list'])
            given, token = field['q-signature'], token(['x-cos-security-token'])
        elif value.startswith('OSS '):
            self.scheme, (id, _, given) = 'oss1', value[4:].partition(':')
            if id not in store.keys: return 'InvalidAccessKeyId'
            secret, *session = store.keys[id]
            found = oss_signature_1(self.command, self.bucket, self.key, self.query, headers, secret)
            token = token(['x-oss-security-token'])
        elif value.startswith('OSS4-HMAC-SHA256 '):
            self.scheme, field = 'oss4', dict(part.strip().partition('=')[::2] for part in value[17:].split(','))
            id, _, scope = field['Credential'].partition('/')
            if id not in store.keys: return 'InvalidAccessKeyId'
            secret, *session = store.keys[id]
            found = oss_signature_4(self.command, self.bucket, self.key, self.query, headers, secret, scope,
                                    field.get('AdditionalHeaders', ''))
            given, token = field['Signature'], token(['x-oss-security-token'])
        else:
            self.scheme = 'none'
            return None if self.bucket.startswith('public') else 'AccessDenied'
        if given != found: return 'SignatureDoesNotMatch'
        return None if [token] == (session or [None]) else 'InvalidSecurityToken'

    def answer(self, status, body=b'', headers=()):
        self.note['status'] = status
        self.server.store.log.write(json.dumps(self.note) + '\n')
        self.send_response(status)
        for name, value in dict(headers).items(): self.send_header(name, value)
        if self.command != 'HEAD' or 'Content-Length' not in dict(headers):
            self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command != 'HEAD': self.wfile.write(body)

    def refuse(self, status, code):
        self.note['code'] = code
        text = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>told by the test</Message></Error>'
        self.answer(status, (text % code).encode(), {'Content-Type': 'application/xml'})

    def serve(self):
        headers = {k.lower(): v for k, v in self.headers.items()}
        body = self.rfile.read(int(headers.get('content-length') or 0))
        path, _, query = self.path.partition('?')
        self.key = urllib.parse.unquote(path)
        self.query = urllib.parse.parse_qsl(query, keep_blank_values=True)
        self.host = headers.get('host', '')
        self.bucket = self.host.split('.')[0]
        self.scheme = 'none'
        shown = ('authorization', 'range', 'content-type', 'content-md5', 'user-agent', 'date')
        self.note = {'method': self.command, 'host': self.host, 'path': path, 'query': query, 'tls': self.server.tls,
                     'headers': {k: v for k, v in headers.items() if k in shown or k.startswith('x-')}}
        refusal = self.refusal(headers)
        self.note['scheme'], self.note['signature'] = self.scheme, refusal or 'good'
        fault = self.server.store.fault(self.command)
        if fault: return self.refuse(*fault)
        if refusal: return self.refuse(403, refusal)
        with self.server.store.lock:
            made = not self.bucket.startswith('missing') or (self.command, self.key) == ('PUT', '/')
            objects = self.server.store.objects.setdefault(self.bucket, {}) if made else self.server.store.objects.get(self.bucket)
        if objects is None: return self.refuse(404, 'NoSuchBucket')
        if self.key == '/': return self.on_bucket(objects, dict(self.query), body)
        self.on_object(objects, self.key[1:], headers, body)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = serve

    def on_bucket(self, objects, query, body):
        if self.command == 'POST':
            for key in re.findall(rb'<Key>(.*?)</Key>', body): objects.pop(key.decode(), None)
            return self.answer(200, b'<?xml version="1.0"?><DeleteResult></DeleteResult>')
        if self.command != 'GET': return self.answer(200)
        if 'bucketInfo' in query:
            where = self.host.split('.')[1].removesuffix('-internal')
            return self.answer(200, ('<?xml version="1.0"?><BucketInfo><Bucket><Name>%s</Name><Location>%s</Location><ExtranetEndpoint>%s.aliyuncs.com'
                '</ExtranetEndpoint><IntranetEndpoint>%s-internal.aliyuncs.com</IntranetEndpoint></Bucket></BucketInfo>' % (self.bucket, where, where, where)).encode())
        if self.bucket == 'service':
            row = '<Bucket><Name>%s</Name><Location>ap-nanjing</Location></Bucket>'
            rows = ''.join(row % name for name in ('b-1', 'myjfs-1304979731'))
            return self.answer(200, ('<?xml version="1.0"?><ListAllMyBucketsResult><Buckets>%s</Buckets></ListAllMyBucketsResult>' % rows).encode())
        second = query.get('list-type') == '2'
        after = (query.get('continuation-token') or query.get('start-after') if second else query.get('marker')) or ''
        limit, prefix = int(query.get('max-keys') or 1000), query.get('prefix', '')
        escape = quote if query.get('encoding-type') == 'url' else \
            lambda t: t.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')
        delimiter, found, folders = query.get('delimiter', ''), [], []
        for key in sorted(objects, key=str.encode):
            if not key.startswith(prefix) or key.encode() <= after.encode(): continue
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                folder = key[:cut + len(delimiter)]
                if folder not in folders: folders.append(folder)
            else: found.append(key)
        more, found = len(found) > limit, found[:limit]
        rows = ''.join('<Contents><Key>%s</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>"0"</ETag>'
                       '<Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>' % (escape(k), len(objects[k][0]))
                       for k in found)
        rows += ''.join('<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>' % escape(f) for f in folders)
        next = ('NextContinuationToken' if second else 'NextMarker', escape(found[-1]) if more else '')
        head = '<Name>%s</Name><Prefix>%s</Prefix><MaxKeys>%d</MaxKeys><KeyCount>%d</KeyCount><IsTruncated>%s</IsTruncated>' % (
            self.bucket, escape(prefix), limit, len(found), str(more).lower())
        head += '<%s>%s</%s>' % (next[0], next[1], next[0]) if more else ''
        if query.get('encoding-type'): head += '<EncodingType>url</EncodingType>'
        text = '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>%s%s</ListBucketResult>' % (head, rows)
        self.answer(200, text.encode(), {'Content-Type': 'application/xml'})

    def on_object(self, objects, key, headers, body):
        if self.command == 'PUT':
            kept = {k: v for k, v in headers.items() if k.startswith(('x-cos-meta-', 'x-oss-meta-'))}
            objects[key] = (body, kept)
            sum = str(crc64(body))
            return self.answer(200, b'', {'ETag': '"0"', 'x-cos-hash-crc64ecma': sum, 'x-oss-hash-crc64ecma': sum})
        if self.command == 'DELETE':
            objects.pop(key, None)
            return self.answer(204)
        if key not in objects: return self.refuse(404, 'NoSuchKey')
        data, kept = objects[key]
        about = {'ETag': '"0"', 'Last-Modified': formatdate(usegmt=True), 'Content-Type': 'application/octet-stream', **kept}
        if self.command == 'HEAD': return self.answer(200, b'', {**about, 'Content-Length': str(len(data))})
        wanted = re.match(r'bytes=(\d+)-(\d*)$', headers.get('range', ''))
        if not wanted: return self.answer(200, data, about)
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if first >= len(data): return self.refuse(416, 'InvalidRange')
        self.answer(206, data[first:last + 1], {**about, 'Content-Range': 'bytes %d-%d/%d' % (first, last, len(data))})


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads, request_queue_size, allow_reuse_address = True, 128, True

    def __init__(self, address, store, tls):
        super().__init__(address, Handler)
        self.store, self.tls = store, tls is not None
        if tls: self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


def loopback_up():
    """A new network namespace has a loopback device that is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any:
        fcntl.ioctl(any, 0x8914, struct.pack('16sh', b'lo', 0x1 | 0x40))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING


def main(directory, addresses):
    loopback_up()
    store = Store(directory)
    for address in addresses:
        kind, host, port = address.split(':')
        tls = None
        if kind == 'https':
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(os.path.join(directory, 'server.pem'))
        server = Server((host, int(port)), store, tls)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print('ready', flush=True)
    threading.Event().wait()


if __name__ == '__main__':
    if len(sys.argv) == 1: published_examples()
    else: main(sys.argv[1], sys.argv[2:])
