# ruby_mail.rb SUBJECT
require 'mail'

text = $stdin.read.force_encoding('UTF-8')
mail = Mail.new do
  from 'shop@sends.example'
  to 'you@far.example'
  cc 'ben@here.example'
  bcc 'hidden@far.example'
  subject ARGV[0].dup.force_encoding('UTF-8')
  body text
end
mail.charset = 'UTF-8'
mail.delivery_method :sendmail
mail.deliver!
