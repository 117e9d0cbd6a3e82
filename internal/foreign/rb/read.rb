# Tells what Rack made of each request: a line with a content type and a body in
# base64 comes in, a line with the tree or the error goes out.
require 'json'
require 'rack'
require 'stringio'

def read(type, body)
  env = Rack::MockRequest.env_for('/hook', method: 'POST', input: StringIO.new(body),
                                           'CONTENT_TYPE' => type, 'CONTENT_LENGTH' => body.bytesize.to_s)
  type.start_with?('application/x-www-form-urlencoded') ? Rack::Request.new(env).POST : JSON.parse(body)
end

$stdout.sync = true
puts JSON.generate(version: "Rack #{Rack.release}")
$stdin.each_line do |line|
  question = JSON.parse(line)
  begin
    tree = read(question['type'], question['body'].unpack1('m'))
    puts JSON.generate('rack' => { tree: tree })
  rescue StandardError => e
    puts JSON.generate('rack' => { error: "#{e.class}: #{e.message}" })
  end
end
