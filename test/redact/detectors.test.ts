import { describe, expect, test } from 'vitest'
import { detect } from '../../agent/redact/detectors.ts'

/** What is found, as `class: value`. */
function found(text: string): string[] {
  return detect(text, []).map(hit => `${hit.class}: ${text.slice(hit.start, hit.end)}`)
}

describe('found', () => {
  test.for([
    // The article's own.
    ['HashMap$Node<Card{number_masked: 4xxx-...}>', 'card: 4xxx'],
    [
      'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.c2lnbmF0dXJlIQ',
      'jwt: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.c2lnbmF0dXJlIQ',
    ],
    ['cust_Ab3dEf7hIj1lMn', 'customer_id: cust_Ab3dEf7hIj1lMn'],
    ['CUST_AB3DEF7HIJ1LMN', 'customer_id: CUST_AB3DEF7HIJ1LMN'],
    ['load cust-Ab3dEf7hIj1lMn', 'customer_id: cust-Ab3dEf7hIj1lMn'],

    ['com.acme.Service.handle(9876543210)', 'mobile: 9876543210'],
    ['user9876543210abc', 'mobile: 9876543210'],
    ['call 98765 43210', 'mobile: 98765 43210'],
    ['(+91) 98765-43210', 'mobile: (+91) 98765-43210'],
    ['msisdn=91 98 76 54 32 10', 'mobile: 91 98 76 54 32 10'],
    ['9 8 7 6 5 4 3 2 1 0', 'mobile: 9 8 7 6 5 4 3 2 1 0'],
    ['handle(98765432..', 'mobile: 98765432'],
    ['pay(98765,43210)', 'mobile: 98765,43210'],
    ["call 987'654'3210", "mobile: 987'654'3210"],
    ['{9876,543,210}', 'mobile: 9876,543,210'],
    ['+91 98765,43210', 'mobile: +91 98765,43210'],
    ['call 009876543210', 'mobile: 009876543210'],
    ['call +91-98xxxxxx10', 'mobile: 91-98xxxxxx10'],
    ['call 098xxxxxx10', 'mobile: 098xxxxxx10'],

    ['load 234123412346', 'aadhaar: 234123412346'],
    ['2341-2341-2346', 'aadhaar: 2341-2341-2346'],
    ['a wrong check digit, 2341 2341 2345', 'aadhaar: 2341 2341 2345'],
    ['aadhaarNo=234123412345', 'aadhaar: 234123412345'],
    ['XXXX XXXX 2346', 'aadhaar: XXXX XXXX 2346'],

    ['pay 4111111111111111', 'card: 4111111111111111'],
    ['pay 4111-1111-1111-1112', 'card: 4111-1111-1111-1112'],
    ['3782 822463 10005', 'card: 3782 822463 10005'],
    ['000004111111111111111', 'card: 000004111111111111111'],
    ['411111******1111', 'card: 411111******1111'],
    ['411111######1111', 'card: 411111######1111'],
    ['4xxx-xxxx-xxxx-1234', 'card: 4xxx-xxxx-xxxx-1234'],
    ['**** **** **** 1234', 'card: **** **** **** 1234'],

    ['pan_ABCPK1234L', 'in_pan: ABCPK1234L'],
    ['loadABCPK1234LHolder', 'in_pan: ABCPK1234L'],
    ['panABCPK1234Lholder', 'in_pan: ABCPK1234L'],
    ['panABCPK1024LHolder', 'in_pan: ABCPK1024L'],
    ['getPANABCPK1234L', 'in_pan: ABCPK1234L'],
    ['panNumber=abcpk1234l', 'in_pan: abcpk1234l'],
    ['ABCPK 1234 L', 'in_pan: ABCPK 1234 L'],
    ['A-B-C-P-K-1-2-3-4-L', 'in_pan: A-B-C-P-K-1-2-3-4-L'],
    // The longest wins: a GSTIN holds a PAN.
    ['27AAPFU0939F1ZV', 'gstin: 27AAPFU0939F1ZV'],
    ['27AAPFU0939F1ZW', 'in_pan: AAPFU0939F'],

    ['mail(aditi.s+x@pay.example.co.in)', 'email: aditi.s+x@pay.example.co.in'],
    ['acme.aditi@example.com.login', 'email: acme.aditi@example.com.login'],
    ['aditi@example.com-handler', 'email: aditi@example.com'],
    ['aditi [at] example [dot] com', 'email: aditi [at] example [dot] com'],
    ['aditi_40_example.com', 'email: aditi_40_example.com'],
    ['aditi=40example.com', 'email: aditi=40example.com'],
    ['aditi_at_gmail_dot_com', 'email: aditi_at_gmail_dot_com'],
    ['pay aditi@okhdfcbank', 'upi: aditi@okhdfcbank'],

    ['/home/aditi/src/app.py', 'user_path: aditi'],
    ['run /Users/aditi/app.js:1:2', 'user_path: aditi'],
    ['C:\\Users\\Aditi\\app.cs', 'user_path: Aditi'],
    ['/mnt/c/Users/aditi/app.js', 'user_path: aditi'],
    ['/home//aditi/app.js', 'user_path: aditi'],
    ['../../home/aditi/app.js', 'user_path: aditi'],
    ['webpack:///../../../home/aditi/app.js', 'user_path: aditi'],
    ['/var/lib/docker/overlay2/0a1b/merged/home/aditi/app.js', 'user_path: aditi'],
    ['/var/lib/docker/overlay2/0a1b/diff/home/aditi/app.js', 'user_path: aditi'],
    ['/run/containerd/0a1b/rootfs/home/aditi/app.js', 'user_path: aditi'],
  ])('%s', ([text, what]) => {
    expect(found(text!)).toEqual([what])
  })

  test('several, each by itself', () => {
    expect(found('f(9876543210, ABCPK1234L, aditi@example.com)')).toEqual([
      'mobile: 9876543210',
      'in_pan: ABCPK1234L',
      'email: aditi@example.com',
    ])
  })
})

describe('left alone', () => {
  test.for([
    'foo+0x9876543210',
    'libc.so.6+0x7f9876543210',
    '7f9876543210',
    'ffffffff98765432',
    'acme::handle::h9876543210abcdef',
    '_ZN4acme6handle17h9876543210abcdefE',
    'e3b0c44298fc1c149876543210b92427ae41e4649b934ca495991b7852b855ab',
    '550e8400-e29b-41d4-a716-987654321012',
    '$$Lambda$14/1347137144.run',
    'foo.llvm.9876543210123456789',
    '$f64.8000000000000000',
    'acme.com/pay@v0.0.0-20210921155107-089876543210/pay.go',
    'incidents/INC-20260425-1142',
    '2026-04-25 11:42:33.123456',
    '20260425114233',
    'javax.mail_1.4.0.v201005082020.jar',
    'pids 65432,12345',
    'perf record -p 65432,12345',
    'kernel<65536,98304>',
    'resize(640,480,1920)',
    'tile<2048,4096,8192>',
    '9,876,543,210 samples',
    'index_sequence<9,8,7,6,5,4,3,2,1,0>',
    'table{12345,98765,43210}',
    'chunk-6789012345.js',
    'chunk-6789012345.css.map',
    'arn:aws:iam::234123412346:role/x',
    'arn:aws:sqs:eu-west-2:234123412346:orders',
    'MLKEM1024PrivateKey',
    'newMLKEM1024PrivateKey',
    'MLKEM1024PRIVATE_KEY',
    'HKSCS2001Mapping',
    'be@latin.catalog',
    'en@quot.header',
    'en@boldquot.po',
    'retry=40ms.after',
    'started 1745568152129',
    'pids 65432 12345',
    'tid 6543 2123 4567',
    'perf 65432/12345 [001] 98765.432109:',
    'bundle.js:123456:234567',
    'chrome 98.0.4758.102',
    'dial 203.112.145.190:8080',
    '[2001:4860:4860:8888::1]',
    'std::ratio<1l, 1000000000l>',
    'std::linear_congruential_engine<unsigned long, 6364136223846793005ul, 0ul, 0ul>',
    'index_sequence<9ul, 8ul, 7ul, 6ul, 5ul, 4ul, 3ul, 2ul, 1ul, 0ul>',
    'memcpy@@GLIBC_2.14',
    'malloc@libc.so.6',
    'gopkg.in/yaml.v3@v3.0.1/decode.go',
    'node_modules/.pnpm/next@14.0.0-canary.x/next.js',
    'user@1000.service',
    'Thread@1b2c3d4e.run',
    'icon@2x.png',
    'step_40_look_at_this.in',
    'spanHandler abcpk1234l',
    'cust_authenticationService',
    'locust_swarmcontroller',
    'CUST_AUTHENTICATION',
    'cust-authentication',
    'src/pages/home/index.tsx',
    '../../home/index.tsx',
    '../../home/components/Card.tsx',
    'src/diff/home/list.ts',
    '/home/app/service.py',
    'void (char****, 1234)',
    'foo_xxx_1234',
    '98765...43210',
    'keyJoin.viewWorker.runOnce',
    '[mobile:987654] 12345 67890',
  ])('%s', text => {
    expect(found(text)).toEqual([])
  })
})

test('more than enough values are not told apart', () => {
  expect(detect('9876543210 '.repeat(10_000), []).length).toBeLessThan(100)
})
